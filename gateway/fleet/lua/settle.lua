#!lua flags=allow-oom
-- Acknowledges lines that the collector has durably, forgets them, and keeps the collector's lease.
-- KEYS: stream, evidence, lease. ARGV: replica, collector, milliseconds, group, index of the first line, index after the
-- last. Returns 1, or 0 if the stream is another collector's by now.
if redis.call('GET', KEYS[3]) ~= ARGV[2] then
  return {0}
end
redis.call('PEXPIRE', KEYS[3], ARGV[3])
for i = tonumber(ARGV[5]) + 1, tonumber(ARGV[6]) do
  redis.call('XACK', KEYS[1], ARGV[4], string.format('%.0f-0', i))
end
local known = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0') or 0
if tonumber(ARGV[6]) > known then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[6])
end
-- The last line stays: by it the replica recognises its own stream.
redis.call('XTRIM', KEYS[1], 'MINID', ARGV[6] .. '-0')
return {1}
