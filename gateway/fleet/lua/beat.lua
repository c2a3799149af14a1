-- Shows that a replica is there, forgets those that are gone, and returns all that are there.
-- KEYS: replicas, checkpoints. ARGV: instance (empty: only look), what it says of itself, milliseconds to live,
-- replica, newest checkpoint (empty: none).
-- Returns seconds, microseconds, then instance, milliseconds when last seen and what it said, for each.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if ARGV[1] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', now) .. ARGV[2])
  if ARGV[5] ~= '' then
    redis.call('HSET', KEYS[2], ARGV[4], ARGV[5])
  end
end
local answer = {time[1], time[2]}
if redis.call('HLEN', KEYS[1]) > 1000 then
  return redis.error_reply('ERR more than 1000 replicas')
end
for _, instance in ipairs(redis.call('HKEYS', KEYS[1])) do
  local seen, said
  if redis.call('HSTRLEN', KEYS[1], instance) <= 16384 then
    seen, said = string.match(redis.call('HGET', KEYS[1], instance), '^(%d+) (.*)$')
  end
  seen = tonumber(seen)
  if seen and seen > now - tonumber(ARGV[3]) and seen < now + tonumber(ARGV[3]) then
    table.insert(answer, instance)
    table.insert(answer, string.format('%.0f', seen))
    table.insert(answer, said)
  else
    redis.call('HDEL', KEYS[1], instance)
  end
end
return answer
