-- Appends lines to a replica's stream if they are the next ones. The line at index i has the id (i+1)-0, so that each is
-- there once.
-- KEYS: stream, evidence. ARGV: replica, index to go on from if nothing is known, index of the first line, most lines in
-- the stream, then the lines.
-- Returns the index of the next line, the index up to which the collector has them, how many are in the stream and how
-- many were appended; and without lines to append, the index of the last one and its line, if there is one.
local known = redis.call('HGET', KEYS[2], ARGV[1])
if not known then
  known = ARGV[2]
  redis.call('HSET', KEYS[2], ARGV[1], known)
end
if not string.match(known, '^%d+$') then
  return redis.error_reply('ERR the index in the field ' .. ARGV[1] .. ' is no number')
end
local collected = tonumber(known)
local next, length, last = collected, 0, nil
if redis.call('EXISTS', KEYS[1]) == 1 then
  local about = redis.call('XINFO', 'STREAM', KEYS[1])
  local info = {}
  for i = 1, #about, 2 do
    info[about[i]] = about[i + 1]
  end
  local first = tonumber(string.match(info['last-generated-id'], '^%d+'))
  length, next, last = info['length'], first, info['last-entry']
  if info['first-entry'] then
    first = tonumber(string.match(info['first-entry'][1], '^%d+')) - 1
  end
  -- Between what was collected and what is here lines are missing, which can only be added before the others.
  if next == 0 or first > collected then
    redis.call('DEL', KEYS[1])
    next, length, last = collected, 0, nil
  end
end
local appended = 0
if tonumber(ARGV[3]) == next then
  for i = 5, math.min(#ARGV, 4 + tonumber(ARGV[4]) - length) do
    next = next + 1
    redis.call('XADD', KEYS[1], string.format('%.0f-0', next), 'line', ARGV[i])
    appended, length = appended + 1, length + 1
  end
end
local answer = {string.format('%.0f', next), string.format('%.0f', collected), length, appended}
if last and #ARGV == 4 then
  table.insert(answer, string.format('%.0f', tonumber(string.match(last[1], '^%d+')) - 1))
  table.insert(answer, last[2][2])
end
return answer
