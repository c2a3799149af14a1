-- Reads what is published, unless the caller has it.
-- KEYS: policy. ARGV: generation and id that the caller has, most bytes.
-- Returns seconds, microseconds, and nothing more if the caller has it; else the fields, or their size if that is too much.
local time = redis.call('TIME')
local now = redis.call('HMGET', KEYS[1], 'generation', 'id')
if now[1] == ARGV[1] and now[2] == ARGV[2] then
  return {time[1], time[2]}
end
local size = 0
for _, field in ipairs({'generation', 'id', 'changed', 'head', 'text', 'sum'}) do
  size = size + redis.call('HSTRLEN', KEYS[1], field)
end
if size > tonumber(ARGV[3]) then
  return {time[1], time[2], size}
end
local all = redis.call('HMGET', KEYS[1], 'generation', 'id', 'changed', 'head', 'text', 'sum')
local answer = {time[1], time[2]}
for i = 1, 6 do
  answer[i + 2] = all[i] or ''
end
return answer
