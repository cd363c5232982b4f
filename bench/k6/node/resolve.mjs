// Where `import ... from 'k6/http'` leads, and that the scripts are modules wherever they lie.
const NAMES = {k6: 'k6', 'k6/http': 'http', 'k6/metrics': 'metrics', 'k6/execution': 'execution'};

export async function resolve(specifier, context, next) {
	if (specifier in NAMES) return {url: new URL(`./${NAMES[specifier]}.mjs`, import.meta.url).href, shortCircuit: true};
	if (specifier === 'k6' || specifier.startsWith('k6/')) throw new Error(`${specifier} is not among what is there with node: ${Object.keys(NAMES).join(', ')}`);
	const found = await next(specifier, context);
	return found.url.startsWith('file:') && found.url.endsWith('.js') ? {...found, format: 'module'} : found;
}
