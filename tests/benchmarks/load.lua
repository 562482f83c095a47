-- wrk sends the requests of a file, one a line: method, path and body, with tabs between them.
-- When so many are answered as it was told, it says "done" and takes no more.
local requests, sent, answered, failed, wanted = {}, 0, 0, 0, 0

local threads = {}
function setup(thread)
   table.insert(threads, thread)
end

function init(args)
   wanted = tonumber(args[2])
   local headers = { ["Authorization"] = "Bearer " .. args[3], ["Accept"] = "application/json" }
   for line in io.lines(args[1]) do
      local method, path, body = line:match("^(%S+)\t(%S+)\t(.*)$")
      if body == "" then
         table.insert(requests, wrk.format(method, path, headers))
      else
         local with_type = { ["Content-Type"] = "application/json" }
         for name, value in pairs(headers) do with_type[name] = value end
         table.insert(requests, wrk.format(method, path, with_type, body))
      end
   end
end

function request()
   sent = sent % #requests + 1
   return requests[sent]
end

function response(status, headers, body)
   answered = answered + 1
   if status < 200 or status > 299 then
      failed = failed + 1
      if failed == 1 then io.stderr:write(status .. " " .. body .. "\n") end
      refused = failed
   end
   if answered == wanted then
      io.write("done\n")
      io.flush()
      wrk.thread:stop()
   end
end

function done(summary, latency, _)
   local refused = threads[1]:get("refused") or 0
   io.write(string.format(
      '{"requests": %d, "failed": %d, "seconds": %.6f, "median": %.6f, "percentile_99": %.6f}\n',
      summary.requests,
      refused + summary.errors.connect + summary.errors.read + summary.errors.write
         + summary.errors.timeout,
      summary.duration / 1e6,
      latency:percentile(50) / 1e3,
      latency:percentile(99) / 1e3
   ))
end
