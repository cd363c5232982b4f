// Reads a ledger with libledgerline, called through koffi. <ledgerline.h> is the library's manual.
//
//	npm install
//	node read_ledger.js DIR            prints what stands in it, at one position
//	node read_ledger.js DIR --watch    checks every new position until its input ends
//
// Not with the packages `lmdb` and `node-lmdb`: they carry LMDBs of their own whose lock files have another layout. Beside a
// running engine the one crashes and the other says MDB_VERSION_MISMATCH; while no engine runs it makes the lock file its own.
"use strict";

const koffi = require("koffi");

const DONE = 0, TRY_AGAIN = 6, WINDOW_ALL = 1, MESSAGE_SIZE = 768;

const library = koffi.load(process.env.LEDGERLINE_LIBRARY || "libledgerline.so.0");

const Id = koffi.array("char", 65, "String");
koffi.opaque("ll_reader");
koffi.struct("ll_position", { ledger: koffi.array("uint8_t", 16), entry_count: "uint64_t", next_offset: "uint64_t", epoch: "uint64_t", time_ms: "int64_t" });
koffi.struct("ll_balance", { balance: "int64_t", held: "int64_t", debt: "int64_t", available: "int64_t", updated_at_ms: "int64_t" });
koffi.struct("ll_lot", { lot_id: Id, source: "const char *", amount: "int64_t", remaining: "int64_t", expires_at_ms: "int64_t" });
koffi.struct("ll_account", { user_id: Id, registered_at_ms: "int64_t", balance: "ll_balance" });
koffi.struct("ll_totals", {
	account_count: "uint64_t", user_count: "uint64_t", charged: "int64_t", used: "int64_t", refunded: "int64_t", expired: "int64_t",
	adjusted: "int64_t", held: "int64_t", debt: "int64_t", balances: "int64_t", accepted: "uint64_t", refused: "uint64_t", system: "uint64_t",
});
koffi.struct("ll_schedule", {
	schedule_id: Id, concert_id: Id, queue_id: Id, concert_date_ms: "int64_t", booking_opens_at_ms: "int64_t",
	booking_closes_at_ms: "int64_t", created_at_ms: "int64_t", status: "const char *", seat_count: "uint32_t", held_count: "uint32_t",
	reserved_count: "uint32_t",
});
koffi.struct("ll_seat", { seat_no: "uint32_t", section: "const char *", grade: "const char *", price: "int64_t", status: "const char *", reservation_id: Id });
koffi.struct("ll_seat_totals", {
	seats: "uint64_t", held: "uint64_t", reserved: "uint64_t", reservations_held: "uint64_t", reservations_confirmed: "uint64_t",
	reservations_expired: "uint64_t", reservations_cancelled: "uint64_t",
});
koffi.struct("ll_ranked", {
	rank: "uint", schedule_id: Id, concert_title: "const char *", concert_date_ms: "int64_t", reservation_count: "uint32_t",
	sold_out_duration_ms: "int64_t",
});
for (const row of ["lot", "account", "schedule", "seat", "ranked"])
	koffi.proto(`int ll_${row}_visit(void *context, const ll_${row} *${row})`);

const ll = {};
for (const declaration of [
	"int ll_open(const char *data_directory, _Out_ ll_reader **reader, _Out_ char *message)",
	"void ll_close(ll_reader *reader)",
	"const char *ll_message(const ll_reader *reader)",
	"int ll_pin(ll_reader *reader)",
	"void ll_unpin(ll_reader *reader)",
	"int ll_read_position(ll_reader *reader, _Out_ ll_position *position)",
	"int ll_read_lots(ll_reader *reader, const char *user_id, ll_lot_visit *visit, void *context)",
	"int ll_walk_accounts(ll_reader *reader, const char *after, uint64_t limit, ll_account_visit *visit, void *context)",
	"int ll_read_totals(ll_reader *reader, _Out_ ll_totals *totals)",
	"int ll_walk_schedules(ll_reader *reader, const char *concert_id, const char *after, uint64_t limit, ll_schedule_visit *visit, void *context)",
	"int ll_read_seats(ll_reader *reader, const char *schedule_id, ll_seat_visit *visit, void *context)",
	"int ll_read_seat_totals(ll_reader *reader, _Out_ ll_seat_totals *totals)",
	"int ll_read_popular(ll_reader *reader, int window, uint limit, ll_ranked_visit *visit, void *context)",
])
	ll[/(ll_\w+)\(/.exec(declaration)[1]] = library.func(declaration);

class Reader {
	constructor(directory) {
		const out = [null], message = Buffer.alloc(MESSAGE_SIZE);
		if (ll.ll_open(directory, out, message) !== DONE)
			throw new Error(message.toString("utf8", 0, message.indexOf(0)));
		this.reader = out[0];
	}

	close() {
		ll.ll_close(this.reader);
	}

	must(result) {
		if (result !== DONE)
			throw new Error(ll.ll_message(this.reader));
	}

	// false: projections did not meet in time.
	pin() {
		const result = ll.ll_pin(this.reader);
		if (result === TRY_AGAIN)
			return false;
		this.must(result);
		return true;
	}

	unpin() {
		ll.ll_unpin(this.reader);
	}

	one(name) {
		const row = {};
		this.must(ll[name](this.reader, row));
		return row;
	}

	// All rows of a walk, copied: they are good during the visit only.
	many(name, struct, ...rest) {
		const rows = [];
		this.must(ll[name](this.reader, ...rest, (_, row) => {
			rows.push(koffi.decode(row, struct));
			return 0;
		}, null));
		return rows;
	}

	position() { return this.one("ll_read_position"); }
	totals() { return this.one("ll_read_totals"); }
	seatTotals() { return this.one("ll_read_seat_totals"); }
	accounts() { return this.many("ll_walk_accounts", "ll_account", null, 0); }
	lots(user) { return this.many("ll_read_lots", "ll_lot", user); }
	schedules() { return this.many("ll_walk_schedules", "ll_schedule", null, null, 0); }
	seats(schedule) { return this.many("ll_read_seats", "ll_seat", schedule); }
	popular(limit) { return this.many("ll_read_popular", "ll_ranked", WINDOW_ALL, limit); }
}

function show(reader) {
	console.log(`position ${reader.position().entry_count}`);
	const users = reader.accounts();
	for (const { user_id, balance } of users)
		console.log(`account ${user_id} balance ${balance.balance} held ${balance.held} debt ${balance.debt}`);
	for (const { user_id } of users)
		for (const lot of reader.lots(user_id))
			console.log(`lot ${user_id} ${lot.lot_id} ${lot.source} ${lot.remaining}`);
	const totals = reader.totals();
	console.log(`totals accounts ${totals.account_count} balances ${totals.balances}`);
	const schedules = reader.schedules();
	for (const one of schedules)
		console.log(`schedule ${one.schedule_id} of ${one.concert_id} ${one.status} seats ${one.seat_count} held ${one.held_count} reserved ${one.reserved_count}`);
	for (const { schedule_id } of schedules)
		for (const seat of reader.seats(schedule_id))
			console.log(`seat ${schedule_id} ${seat.seat_no} ${seat.status} ${seat.price}`);
	for (const ranked of reader.popular(10))
		console.log(`popular ${ranked.rank} ${ranked.schedule_id} ${ranked.reservation_count}`);
}

// Amounts may be beyond what a JavaScript number holds exactly: koffi then gives a BigInt.
function add(rows, count) {
	return rows.reduce((sum, row) => sum + BigInt(count(row)), 0n);
}

function check(reader) {
	const totals = reader.totals(), seats = reader.seatTotals(), accounts = reader.accounts();
	const open = reader.schedules().filter((one) => one.status === "OPEN");
	const right = BigInt(accounts.length) === BigInt(totals.account_count) &&
		add(accounts, (one) => one.balance.balance) === BigInt(totals.balances) &&
		add(open, (one) => one.seat_count) === BigInt(seats.seats) &&
		add(open, (one) => one.held_count) === BigInt(seats.held) &&
		add(open, (one) => one.reserved_count) === BigInt(seats.reserved);
	if (!right)
		throw new Error("the rows do not add up to the totals");
}

function watch(reader) {
	let ended = false, snapshots = 0, last = null;
	process.stdin.on("end", () => { ended = true; }).resume();
	const look = () => {
		if (ended) {
			console.log(`snapshots ${snapshots}`);
			reader.close();
			return;
		}
		if (reader.pin()) {
			const entries = reader.position().entry_count;
			check(reader);
			reader.unpin();
			snapshots++;
			if (entries !== last)
				console.log(`right at ${entries}`);
			last = entries;
		}
		setImmediate(look);
	};
	look();
}

function main([directory, mode, ...more]) {
	if (!directory || more.length || (mode && mode !== "--watch")) {
		console.error("usage: node read_ledger.js DIR [--watch]");
		process.exit(2);
	}
	const reader = new Reader(directory);
	if (mode)
		return watch(reader);
	if (!reader.pin())
		throw new Error("the projections did not meet in time; try again");
	show(reader);
	reader.close();
}

main(process.argv.slice(2));
