// `k6/execution`: only to be asked before an iteration awaits anything, as all of them share one thread here.
import {world} from './world.mjs';

export const scenario = {
	get name() {
		return world.iteration.scenario;
	},
	get iterationInTest() {
		return world.iteration.number;
	},
};
export const vu = {
	get idInTest() {
		return world.iteration.vu;
	},
};
export default {scenario, vu};
