-- Replaces what is published if it still is what the caller saw, and announces it. Returns 1, or 0 if it no longer is.
-- KEYS: policy. ARGV: generation and id seen, empty if nothing was; channel; then each field and its value.
local now = redis.call('HMGET', KEYS[1], 'generation', 'id')
if (now[1] or '') ~= ARGV[1] or (now[2] or '') ~= ARGV[2] then
  return {0}
end
for i = 4, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('PUBLISH', ARGV[3], '')
return {1}
