// Reads a ledger with libledgerline, through cgo. <ledgerline.h> is the library's manual.
//
//	go build -o read_ledger . && ./read_ledger DIR    prints what stands in it, at one position
//	./read_ledger DIR --watch                         checks every new position until its input ends
//
// Not with a Go package for LMDB: these carry an LMDB of their own, of another version than the engine's, and the two share a
// lock file and its mutexes. Versions 0.9.26 to 0.9.31 destroy them when they close (ITS#10095).
package main

/*
#cgo pkg-config: ledgerline
#include <ledgerline.h>
#include <stdint.h>
#include <stdlib.h>

// A visitor cannot be a Go function, but it can call an exported one. The context is a handle, which is no pointer.
#define VISITOR(Name, name)                                                          \
	int goVisit##Name(uintptr_t context, struct ll_##name *row);                 \
	static int visit_##name(void *context, const struct ll_##name *row)          \
	{                                                                            \
		return goVisit##Name((uintptr_t)context, (struct ll_##name *)row);   \
	}
VISITOR(Account, account)
VISITOR(Lot, lot)
VISITOR(Schedule, schedule)
VISITOR(Seat, seat)
VISITOR(Ranked, ranked)

static enum ll_result accounts(struct ll_reader *reader, uintptr_t context)
{
	return ll_walk_accounts(reader, NULL, 0, visit_account, (void *)context);
}
static enum ll_result lots(struct ll_reader *reader, const char *user, uintptr_t context)
{
	return ll_read_lots(reader, user, visit_lot, (void *)context);
}
static enum ll_result schedules(struct ll_reader *reader, uintptr_t context)
{
	return ll_walk_schedules(reader, NULL, NULL, 0, visit_schedule, (void *)context);
}
static enum ll_result seats(struct ll_reader *reader, const char *schedule, uintptr_t context)
{
	return ll_read_seats(reader, schedule, visit_seat, (void *)context);
}
static enum ll_result popular(struct ll_reader *reader, unsigned limit, uintptr_t context)
{
	return ll_read_popular(reader, LL_WINDOW_ALL, limit, visit_ranked, (void *)context);
}
*/
import "C"

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/cgo"
	"sync/atomic"
	"unsafe"
)

// A Reader belongs to one goroutine at a time. It may move between threads: LMDB is opened for that.
type Reader struct{ reader *C.struct_ll_reader }

func Open(directory string) (*Reader, error) {
	var reader *C.struct_ll_reader
	var message [C.LL_MESSAGE_SIZE]C.char
	path := C.CString(directory)
	defer C.free(unsafe.Pointer(path))
	if C.ll_open(path, &reader, &message[0]) != C.LL_DONE {
		return nil, errors.New(C.GoString(&message[0]))
	}
	return &Reader{reader}, nil
}

func (r *Reader) Close() { C.ll_close(r.reader) }
func (r *Reader) Unpin() { C.ll_unpin(r.reader) }

var errTryAgain = errors.New("the projections did not meet in time; try again")

func (r *Reader) outcome(result C.enum_ll_result) error {
	switch result {
	case C.LL_DONE:
		return nil
	case C.LL_TRY_AGAIN:
		return errTryAgain
	}
	return errors.New(C.GoString(C.ll_message(r.reader)))
}

func (r *Reader) Pin() error { return r.outcome(C.ll_pin(r.reader)) }

func (r *Reader) EntryCount() (uint64, error) {
	var position C.struct_ll_position
	err := r.outcome(C.ll_read_position(r.reader, &position))
	return uint64(position.entry_count), err
}

type Account struct {
	User                string
	Balance, Held, Debt int64
}

type Lot struct {
	ID, Source string
	Remaining  int64
}

type Schedule struct {
	ID, Concert, Status   string
	Seats, Held, Reserved uint64
}

type Seat struct {
	Number uint32
	Status string
	Price  int64
}

type Ranked struct {
	Rank     uint
	Schedule string
	Count    uint32
}

//export goVisitAccount
func goVisitAccount(context C.uintptr_t, row *C.struct_ll_account) C.int {
	rows := cgo.Handle(context).Value().(*[]Account)
	*rows = append(*rows, Account{C.GoString(&row.user_id[0]), int64(row.balance.balance), int64(row.balance.held), int64(row.balance.debt)})
	return 0
}

//export goVisitLot
func goVisitLot(context C.uintptr_t, row *C.struct_ll_lot) C.int {
	rows := cgo.Handle(context).Value().(*[]Lot)
	*rows = append(*rows, Lot{C.GoString(&row.lot_id[0]), C.GoString(row.source), int64(row.remaining)})
	return 0
}

//export goVisitSchedule
func goVisitSchedule(context C.uintptr_t, row *C.struct_ll_schedule) C.int {
	rows := cgo.Handle(context).Value().(*[]Schedule)
	*rows = append(*rows, Schedule{C.GoString(&row.schedule_id[0]), C.GoString(&row.concert_id[0]), C.GoString(row.status),
		uint64(row.seat_count), uint64(row.held_count), uint64(row.reserved_count)})
	return 0
}

//export goVisitSeat
func goVisitSeat(context C.uintptr_t, row *C.struct_ll_seat) C.int {
	rows := cgo.Handle(context).Value().(*[]Seat)
	*rows = append(*rows, Seat{uint32(row.seat_no), C.GoString(row.status), int64(row.price)})
	return 0
}

//export goVisitRanked
func goVisitRanked(context C.uintptr_t, row *C.struct_ll_ranked) C.int {
	rows := cgo.Handle(context).Value().(*[]Ranked)
	*rows = append(*rows, Ranked{uint(row.rank), C.GoString(&row.schedule_id[0]), uint32(row.reservation_count)})
	return 0
}

// All rows of a walk, copied: they are good during the visit only.
func many[T any](r *Reader, walk func(context C.uintptr_t) C.enum_ll_result) ([]T, error) {
	var rows []T
	handle := cgo.NewHandle(&rows)
	defer handle.Delete()
	err := r.outcome(walk(C.uintptr_t(handle)))
	return rows, err
}

func (r *Reader) Accounts() ([]Account, error) {
	return many[Account](r, func(context C.uintptr_t) C.enum_ll_result { return C.accounts(r.reader, context) })
}

func (r *Reader) Lots(user string) ([]Lot, error) {
	id := C.CString(user)
	defer C.free(unsafe.Pointer(id))
	return many[Lot](r, func(context C.uintptr_t) C.enum_ll_result { return C.lots(r.reader, id, context) })
}

func (r *Reader) Schedules() ([]Schedule, error) {
	return many[Schedule](r, func(context C.uintptr_t) C.enum_ll_result { return C.schedules(r.reader, context) })
}

func (r *Reader) Seats(schedule string) ([]Seat, error) {
	id := C.CString(schedule)
	defer C.free(unsafe.Pointer(id))
	return many[Seat](r, func(context C.uintptr_t) C.enum_ll_result { return C.seats(r.reader, id, context) })
}

func (r *Reader) Popular(limit uint) ([]Ranked, error) {
	return many[Ranked](r, func(context C.uintptr_t) C.enum_ll_result {
		return C.popular(r.reader, C.uint(limit), context)
	})
}

func (r *Reader) Totals() (accounts uint64, balances int64, err error) {
	var totals C.struct_ll_totals
	err = r.outcome(C.ll_read_totals(r.reader, &totals))
	return uint64(totals.account_count), int64(totals.balances), err
}

func (r *Reader) SeatTotals() (seats, held, reserved uint64, err error) {
	var totals C.struct_ll_seat_totals
	err = r.outcome(C.ll_read_seat_totals(r.reader, &totals))
	return uint64(totals.seats), uint64(totals.held), uint64(totals.reserved), err
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "read_ledger:", err)
		os.Exit(1)
	}
}

func show(r *Reader) {
	entries, err := r.EntryCount()
	must(err)
	fmt.Println("position", entries)
	users, err := r.Accounts()
	must(err)
	for _, user := range users {
		fmt.Println("account", user.User, "balance", user.Balance, "held", user.Held, "debt", user.Debt)
	}
	for _, user := range users {
		lots, err := r.Lots(user.User)
		must(err)
		for _, lot := range lots {
			fmt.Println("lot", user.User, lot.ID, lot.Source, lot.Remaining)
		}
	}
	accounts, balances, err := r.Totals()
	must(err)
	fmt.Println("totals accounts", accounts, "balances", balances)
	schedules, err := r.Schedules()
	must(err)
	for _, one := range schedules {
		fmt.Println("schedule", one.ID, "of", one.Concert, one.Status, "seats", one.Seats, "held", one.Held, "reserved", one.Reserved)
	}
	for _, one := range schedules {
		seats, err := r.Seats(one.ID)
		must(err)
		for _, seat := range seats {
			fmt.Println("seat", one.ID, seat.Number, seat.Status, seat.Price)
		}
	}
	popular, err := r.Popular(10)
	must(err)
	for _, ranked := range popular {
		fmt.Println("popular", ranked.Rank, ranked.Schedule, ranked.Count)
	}
}

func check(r *Reader) {
	users, err := r.Accounts()
	must(err)
	accounts, balances, err := r.Totals()
	must(err)
	for _, user := range users {
		balances -= user.Balance
	}
	schedules, err := r.Schedules()
	must(err)
	seats, held, reserved, err := r.SeatTotals()
	must(err)
	for _, one := range schedules {
		if one.Status == "OPEN" {
			seats, held, reserved = seats-one.Seats, held-one.Held, reserved-one.Reserved
		}
	}
	if uint64(len(users)) != accounts || balances != 0 || seats != 0 || held != 0 || reserved != 0 {
		must(errors.New("the rows do not add up to the totals"))
	}
}

func watch(r *Reader) {
	var ended atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		ended.Store(true)
	}()
	snapshots, last := 0, ^uint64(0)
	for !ended.Load() {
		if err := r.Pin(); err == errTryAgain {
			continue
		} else {
			must(err)
		}
		entries, err := r.EntryCount()
		must(err)
		check(r)
		r.Unpin()
		snapshots++
		if entries != last {
			fmt.Println("right at", entries)
		}
		last = entries
	}
	fmt.Println("snapshots", snapshots)
}

func main() {
	if len(os.Args) < 2 || len(os.Args) > 3 || (len(os.Args) == 3 && os.Args[2] != "--watch") {
		fmt.Fprintln(os.Stderr, "usage: read_ledger DIR [--watch]")
		os.Exit(2)
	}
	reader, err := Open(os.Args[1])
	must(err)
	defer reader.Close()
	if len(os.Args) == 3 {
		watch(reader)
		return
	}
	must(reader.Pin())
	show(reader)
}
