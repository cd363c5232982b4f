-- The last line of wrk's output, for bench/run.
function done(summary, latency)
	local errors = summary.errors
	print(string.format(
		'{"requests":%d,"seconds":%.3f,"p50Us":%d,"p99Us":%d,"failed":%d}',
		summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
		errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
