#!/usr/bin/env node
// The k6 scripts beside this file, where there is no k6: node bench/k6/run_with_node.mjs SCRIPT [-e NAME=VALUE]...
//
// What of k6 the scripts use is under node/: everything runs in one thread of node, over node's own HTTP. It asks some ten thousand
// times a second at most, and then it is what is measured; k6 has a thread for each core. Ends as k6 does: 0; 99 when a threshold is
// missed; 107 when the script failed; 2 for bad arguments. What is wrong is one line on standard error.
import {statSync, writeFileSync} from 'node:fs';
import {register} from 'node:module';
import {resolve} from 'node:path';
import {pathToFileURL} from 'node:url';
import {oneLine} from './node/complain.mjs';

const USAGE = 'usage: node run_with_node.mjs SCRIPT [-e NAME=VALUE]...';

function read(given) {
	const environment = {...process.env}, scripts = [];
	for (let at = 0; at < given.length; at++) {
		const pair = given[at] === '-e' ? /^(\w+)=(.*)$/s.exec(given[++at] || '') : null;
		if (pair) environment[pair[1]] = pair[2];
		else if (given[at] !== undefined && !given[at].startsWith('-')) scripts.push(given[at]);
		else return null;
	}
	return scripts.length === 1 ? {environment, script: scripts[0]} : null;
}

const isFile = (path) => Boolean(statSync(path, {throwIfNoEntry: false})?.isFile());

function write(where, content) {
	try {
		writeFileSync(where, content);
	} catch (error) {
		throw new Error(`cannot write the summary: ${error.message}`);
	}
}

async function main(asked) {
	if (!asked || !isFile(asked.script)) {
		console.error(asked ? `run_with_node.mjs: there is no script ${asked.script}` : USAGE);
		return 2;
	}
	globalThis.__ENV = asked.environment;
	globalThis.__VU = globalThis.__ITER = 0;
	register('./node/resolve.mjs', import.meta.url);
	const {closeAll} = await import('./node/http.mjs'), {play} = await import('./node/executors.mjs');
	const {broken, expect, summary} = await import('./node/summary.mjs');
	const script = await import(pathToFileURL(resolve(asked.script)).href);
	const options = script.options || {};
	expect(options.thresholds);
	const data = script.setup ? await script.setup() : undefined;
	const began = performance.now();
	const scenarios = Object.entries(options.scenarios || {default: {executor: 'per-vu-iterations', vus: options.vus, iterations: options.iterations}});
	const failures = await Promise.all(scenarios.map(([name, one]) => play(name, one, script, data)));
	const took = performance.now() - began;
	if (script.teardown) await script.teardown(data);
	closeAll();
	const told = summary(options, took);
	const out = script.handleSummary ? await script.handleSummary(told) : {stdout: JSON.stringify(told)};
	for (const [where, content] of Object.entries(out)) where === 'stdout' ? process.stdout.write(content) : write(where, content);
	const missed = broken(told);
	if (missed.length) console.error(`thresholds that were missed: ${missed.join('; ')}`);
	return failures.some(Boolean) ? 107 : missed.length ? 99 : 0;
}

const asked = read(process.argv.slice(2));
main(asked).then(
	(status) => process.exit(status),
	(error) => {
		console.error(`run_with_node.mjs: ${oneLine(error, asked.script)}`);
		process.exit(107);
	},
);
