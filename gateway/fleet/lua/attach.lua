#!lua flags=allow-oom
-- Makes a collector the one of a stream, and has the stream go on where the collector's copy ends.
-- KEYS: stream, evidence, lease. ARGV: replica, collector, milliseconds, group, index that the copy needs next.
-- Returns 1, the index that the last collector had come to, and the indexes of the first line in the stream and of the next
-- one if there is a stream; or 0 and the collector that has it.
local holder = redis.call('GET', KEYS[3])
if holder and holder ~= ARGV[2] then
  return {0, holder}
end
local known = redis.call('HGET', KEYS[2], ARGV[1]) or '0'
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[5])
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {1, known}
end
local position = ARGV[5] .. '-0'
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[4], position)
if type(made) == 'table' and made['err'] then
  if not string.find(made['err'], 'BUSYGROUP', 1, true) then
    return made
  end
  redis.call('XGROUP', 'SETID', KEYS[1], ARGV[4], position)
end
-- What a collector took before it ended, and has in its copy, is acknowledged; what it has not is delivered again.
while true do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[4], '-', position, 500)
  if #pending == 0 then
    break
  end
  for _, entry in ipairs(pending) do
    redis.call('XACK', KEYS[1], ARGV[4], entry[1])
  end
end
local about = redis.call('XINFO', 'STREAM', KEYS[1])
local info = {}
for i = 1, #about, 2 do
  info[about[i]] = about[i + 1]
end
local next = tonumber(string.match(info['last-generated-id'], '^%d+'))
local first = next
if info['first-entry'] then
  first = tonumber(string.match(info['first-entry'][1], '^%d+')) - 1
end
return {1, known, string.format('%.0f', first), string.format('%.0f', next)}
