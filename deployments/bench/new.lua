-- For wrk: prints what run.sh reads, and waits between two requests of a connection if PACE says for how many milliseconds.
local pace = tonumber(os.getenv("PACE") or "")
if pace then
  function delay() return pace end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format("measured %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
