// What k6 hands to handleSummary, and whether the thresholds hold.
import {part, world} from './world.mjs';

const FORM = /^(p\([\d.]+\)|avg|min|max|med|count|rate|value)\s*(<=|>=|===|==|!=|<|>)\s*([\d.]+)$/;
const HOLDS = {
	'<': (a, b) => a < b, '<=': (a, b) => a <= b, '>': (a, b) => a > b, '>=': (a, b) => a >= b,
	'==': (a, b) => a === b, '===': (a, b) => a === b, '!=': (a, b) => a !== b,
};

function rank(sorted, share) {
	const at = share * (sorted.length - 1), low = Math.floor(at), high = Math.ceil(at);
	return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

function ofTrend({all}, statistics) {
	if (!all.length) return Object.fromEntries(statistics.map((name) => [name, 0]));
	const sorted = Float64Array.from(all).sort();
	const known = {
		avg: () => sorted.reduce((sum, one) => sum + one, 0) / sorted.length,
		min: () => sorted[0], max: () => sorted[sorted.length - 1], med: () => rank(sorted, 0.5), count: () => sorted.length,
	};
	return Object.fromEntries(statistics.map((name) => [name, known[name] ? known[name]() : rank(sorted, Number(name.slice(2, -1)) / 100)]));
}

function values({type, kept}, statistics, seconds) {
	if (type === 'trend') return ofTrend(kept, statistics);
	if (type === 'counter') return {count: kept.count, rate: kept.count / seconds};
	if (type === 'rate') return {...kept, rate: kept.passes / (kept.passes + kept.fails || 1)};
	return {...kept};
}

const text = (threshold) => (typeof threshold === 'string' ? threshold : threshold.threshold);

// Before the run: what thresholds name must be there.
export function expect(thresholds = {}) {
	for (const [name, all] of Object.entries(thresholds)) {
		if (name.includes('{')) part(name);
		else if (!world.metrics.has(name)) throw new Error(`a threshold names ${name}, which there is not`);
		for (const one of all) if (!FORM.test(text(one))) throw new Error(`the threshold "${text(one)}" of ${name} is not understood`);
	}
}

export function summary({thresholds = {}, summaryTrendStats = ['avg', 'min', 'med', 'max', 'p(90)', 'p(95)']}, milliseconds) {
	const found = {};
	for (const [name, one] of [...world.metrics, ...world.parts]) {
		const wanted = (thresholds[name] || []).map(text);
		const asked = wanted.map((each) => FORM.exec(each)[1]);
		const all = values(one, [...new Set([...summaryTrendStats, ...asked])], milliseconds / 1000);
		found[name] = {type: one.type, contains: one.contains, values: all};
		if (wanted.length)
			found[name].thresholds = Object.fromEntries(wanted.map((each) => {
				const [, statistic, operator, limit] = FORM.exec(each);
				return [each, {ok: HOLDS[operator](all[statistic], Number(limit))}];
			}));
	}
	return {metrics: found, state: {testRunDurationMs: milliseconds}, options: {summaryTrendStats}};
}

export const broken = (data) =>
	Object.entries(data.metrics).flatMap(([name, one]) => Object.entries(one.thresholds || {}).filter(([, each]) => !each.ok).map(([each]) => `${name}: ${each}`));

