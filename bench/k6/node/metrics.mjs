// `k6/metrics`.
import {add, metric} from './world.mjs';

class Kept {
	constructor(type, name, isTime) {
		this.metric = metric(name, type, isTime ? 'time' : 'default');
	}
	add(value, tags) {
		add(this.metric, Number(value), tags);
	}
}

const kind = (type) =>
	class extends Kept {
		constructor(name, isTime) {
			super(type, name, isTime);
		}
	};

export const Counter = kind('counter'), Rate = kind('rate'), Trend = kind('trend'), Gauge = kind('gauge');
export default {Counter, Rate, Trend, Gauge};
