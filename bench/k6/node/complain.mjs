// What went wrong, as one line without a stack. A plain Error says what it means; of others the kind and the place in the script are told.
import {fileURLToPath} from 'node:url';

const OURS = new URL('.', import.meta.url).href;

// The first place that is neither node's own nor a file beside this one: "steady.js:52".
function place(error) {
	for (const [, file, line] of String(error.stack || '').matchAll(/(file:\/\/[^\s()]+?):(\d+)(?::\d+)?/g))
		if (!file.startsWith(OURS) && !file.endsWith('/run_with_node.mjs')) return `${fileURLToPath(file).split('/').pop()}:${line}`;
	return null;
}

export function oneLine(error, script) {
	const said = (error instanceof Error ? error.message : String(error)).replace(/\s*\n\s*/g, ' ');
	if (!(error instanceof Error) || error.name === 'Error') return said;
	return `${error.name}: ${said} (${place(error) || `in ${script}, or what it imports`})`;
}
