-- /api/commands: arrays of 100 charges, each with an id of its own. BENCH_ACCOUNTS= how many accounts.
local accounts = tonumber(os.getenv("BENCH_ACCOUNTS"))
local next_account, sent, threads = 0, 0, 0

wrk.method = "POST"
wrk.path = "/api/commands"
wrk.headers["Content-Type"] = "application/json"

function setup(thread)
	thread:set("number", threads)
	threads = threads + 1
end

function request()
	local parts = {}
	for i = 1, 100 do
		next_account = (next_account * 1103515245 + 12345) % 2147483648
		sent = sent + 1
		parts[i] = string.format('{"id":"w%d-%d","type":"points.charge","userId":"user-%d","amount":1000}', number, sent,
			next_account % accounts)
	end
	return wrk.format(nil, nil, nil, "[" .. table.concat(parts, ",") .. "]")
end

dofile("bench/wrk/report.lua")
