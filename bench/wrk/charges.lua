-- Single charges: each request another account. BENCH_ACCOUNTS= how many.
local accounts = tonumber(os.getenv("BENCH_ACCOUNTS"))
local next_account = 0

wrk.method = "POST"
wrk.path = "/api/points/charge"
wrk.headers["Content-Type"] = "application/json"

function request()
	next_account = (next_account * 1103515245 + 12345) % 2147483648 -- scattered, the same in each run
	return wrk.format(nil, nil, nil, string.format('{"userId":"user-%d","amount":1000}', next_account % accounts))
end

dofile("bench/wrk/report.lua")
