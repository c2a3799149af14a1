#!lua flags=allow-oom
-- Ends a collector's lease, so that another need not wait for its end. KEYS: lease. ARGV: collector.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
return {1}
