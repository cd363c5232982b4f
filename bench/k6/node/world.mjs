// What a run has: its metrics, and the iteration that begins right now.
const KINDS = {
	counter: () => ({count: 0}),
	rate: () => ({passes: 0, fails: 0}),
	trend: () => ({all: []}),
	gauge: () => ({value: 0}),
};
const ADD = {
	counter: (kept, value) => (kept.count += value),
	rate: (kept, value) => (value ? kept.passes++ : kept.fails++),
	trend: (kept, value) => kept.all.push(value),
	gauge: (kept, value) => (kept.value = value),
};

export const world = {metrics: new Map(), parts: new Map(), iteration: null, options: {}, environment: {}};

export function metric(name, type, contains = 'default') {
	const there = world.metrics.get(name);
	if (there && there.type !== type) throw new Error(`the metric ${name} is a ${there.type} already, not a ${type}`);
	if (there) return there;
	const made = {name, type, contains, kept: KINDS[type](), parts: []};
	world.metrics.set(name, made);
	return made;
}

// "http_req_duration{name:pay}": those of its values that have this tag; wanted by a threshold.
export function part(selector) {
	const [, name, tag, value] = /^(\w+)\{(\w+):([^}]*)\}$/.exec(selector) || [];
	const whole = world.metrics.get(name);
	if (!whole) throw new Error(`a threshold names ${selector}, which there is not`);
	const made = {...whole, name: selector, kept: KINDS[whole.type](), tag, value};
	whole.parts.push(made);
	world.parts.set(selector, made);
	return made;
}

export function add(one, value, tags = {}) {
	ADD[one.type](one.kept, value);
	for (const each of one.parts) if (tags[each.tag] === each.value) ADD[each.type](each.kept, value);
}

export const builtin = {
	duration: metric('http_req_duration', 'trend', 'time'),
	failed: metric('http_req_failed', 'rate'),
	requests: metric('http_reqs', 'counter'),
	received: metric('data_received', 'counter', 'data'),
	checks: metric('checks', 'rate'),
	iterations: metric('iterations', 'counter'),
	iterationDuration: metric('iteration_duration', 'trend', 'time'),
	dropped: metric('dropped_iterations', 'counter'),
};
