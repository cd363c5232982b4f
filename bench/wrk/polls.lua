-- GET /api/queue/status: each request another token. BENCH_TOKENS= a file with one a line.
local requests, next_request = {}, 0

function init()
	for token in io.lines(os.getenv("BENCH_TOKENS")) do
		requests[#requests + 1] = wrk.format("GET", "/api/queue/status", {["Authorization"] = "Bearer " .. token})
	end
end

function request()
	next_request = next_request % #requests + 1
	return requests[next_request]
end

dofile("bench/wrk/report.lua")
