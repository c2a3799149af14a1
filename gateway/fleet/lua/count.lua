-- Writes totals, unless something written before them got lost or they come late.
-- KEYS: the day's counters. ARGV: the field of the author's sequence, the sequence that should be there, the new one,
-- seconds to keep, then each field and its total.
-- Returns 1 and nothing if they are there; 0 and the sequence found if something got lost; 2 if they come late.
local found = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0') or 0
if found >= tonumber(ARGV[3]) then
  return {2}
end
if found ~= tonumber(ARGV[2]) then
  return {0, string.format('%.0f', found)}
end
for i = 5, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
if #ARGV > 4 then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  redis.call('EXPIRE', KEYS[1], ARGV[4])
end
return {1}
