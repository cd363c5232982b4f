// `k6/http`, over connections that are kept: each call gives a promise of k6's response.
import http from 'node:http';
import https from 'node:https';
import {add, builtin} from './world.mjs';

const kinds = {'http:': http, 'https:': https};
const agents = {'http:': new http.Agent({keepAlive: true}), 'https:': new https.Agent({keepAlive: true})};

const succeeded = (status) => status >= 200 && status < 400;
let standard = succeeded;

export function expectedStatuses(...wanted) {
	return (status) => wanted.some((one) => (typeof one === 'number' ? status === one : status >= one.min && status <= one.max));
}

export function setResponseCallback(callback) {
	standard = callback;
}

// What node says of a certificate that it does not trust, and what to do.
const DISTRUST = /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?)$/;
const reason = (error) => (DISTRUST.test(error.code) ? `${error.message}; NODE_EXTRA_CA_CERTS=FILE names whom node trusts` : error.message || error.code);

function where(url) {
	const to = URL.canParse(url) ? new URL(url) : null;
	if (!to || !kinds[to.protocol]) throw new Error(`${url} is no URL with http:// or https://`);
	return to;
}

function response(status, headers, body, duration, error) {
	const json = (selector) => {
		const all = JSON.parse(body);
		return selector === undefined ? all : selector.split('.').reduce((at, name) => (at === undefined ? at : at[name]), all);
	};
	return {status, headers, body, error, timings: {duration}, json};
}

export function request(method, url, body, {headers = {}, tags = {}, responseCallback = standard} = {}) {
	return new Promise((done) => {
		const to = where(url);
		const began = performance.now();
		const end = (status, received, text, error = '') => {
			const took = performance.now() - began;
			const labels = {method, status: String(status), ...tags};
			add(builtin.duration, took, labels);
			add(builtin.failed, !responseCallback(status), labels);
			add(builtin.requests, 1, labels);
			add(builtin.received, text.length, labels);
			done(response(status, received, text, took, error));
		};
		const sent = kinds[to.protocol].request(to, {method, headers, agent: agents[to.protocol]}, (answer) => {
			const pieces = [];
			answer.on('data', (piece) => pieces.push(piece));
			answer.on('end', () => end(answer.statusCode, answer.headers, Buffer.concat(pieces).toString()));
			answer.on('error', (error) => end(0, {}, '', error.message));
		});
		sent.on('error', (error) => end(0, {}, '', reason(error)));
		sent.end(body === null || body === undefined ? undefined : body);
	});
}

export const get = (url, parameters) => request('GET', url, null, parameters);
export const head = (url, parameters) => request('HEAD', url, null, parameters);
export const post = (url, body, parameters) => request('POST', url, body, parameters);
export const put = (url, body, parameters) => request('PUT', url, body, parameters);
export const patch = (url, body, parameters) => request('PATCH', url, body, parameters);
export const del = (url, body, parameters) => request('DELETE', url, body, parameters);
export const batch = (all) => Promise.all(all.map((one) => (typeof one === 'string' ? get(one) : request(...one))));

export function closeAll() {
	for (const agent of Object.values(agents)) agent.destroy();
}

export default {request, get, head, post, put, patch, del, batch, expectedStatuses, setResponseCallback};
