// Checks proofs with Go's own library of signed notes and transparency logs (golang.org/x/mod/sumdb), which knows nothing of ledgers:
//
//	check PUBLIC-KEY FILE...    prints a line for each file that is proven: its kind, and the size of its tree
//
// Ends with 1 at the first that is not.
package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type tree struct {
	size int64
	hash tlog.Hash
	// Of the state: an extension line, which the library does not know.
	lines int64
	state tlog.Hash
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	must(err)
	return n
}

func hash(text string) tlog.Hash {
	h, err := tlog.ParseHash(text)
	must(err)
	return h
}

func bytes(text string) []byte {
	b, err := base64.StdEncoding.DecodeString(text)
	must(err)
	return b
}

func open(signed string, verifiers note.Verifiers) tree {
	opened, err := note.Open([]byte(signed), verifiers)
	must(err)
	lines := strings.Split(opened.Text, "\n")
	state := strings.Fields(lines[3])
	return tree{number(lines[1]), hash(lines[2]), number(state[1]), hash(state[2])}
}

func path(lines []string) []tlog.Hash {
	var hashes []tlog.Hash
	for _, line := range lines {
		hashes = append(hashes, hash(line))
	}
	return hashes
}

func entry(head, signed string, verifiers note.Verifiers) int64 {
	lines := strings.Split(head, "\n")
	record := bytes(strings.TrimPrefix(lines[1], "extra "))
	index := number(strings.TrimPrefix(lines[2], "index "))
	of := open(signed, verifiers)
	must(tlog.CheckRecord(path(lines[3:]), of.size, of.hash, index, tlog.RecordHash(record)))
	return of.size
}

func state(head, signed string, verifiers note.Verifiers) int64 {
	of := open(signed, verifiers)
	lines := strings.Split(head, "\n")[1:]
	for len(lines) > 0 {
		words := strings.Fields(lines[0])
		end := 1
		for end < len(lines) && !strings.HasPrefix(lines[end], "line ") {
			end++
		}
		must(tlog.CheckRecord(path(lines[1:end]), of.lines, of.state, number(words[1]), tlog.RecordHash(bytes(words[2]))))
		lines = lines[end:]
	}
	return of.lines
}

func consistency(head, notes string, verifiers note.Verifiers) int64 {
	var trees []tree
	for range [2]int{} {
		end := strings.Index(notes, "\n")
		size := int(number(strings.TrimPrefix(notes[:end], "note ")))
		trees = append(trees, open(notes[end+1:end+1+size], verifiers))
		notes = notes[end+1+size:]
	}
	must(tlog.CheckTree(path(strings.Split(head, "\n")[1:]), trees[1].size, trees[1].hash, trees[0].size, trees[0].hash))
	return trees[1].size
}

func main() {
	defer func() {
		if failed := recover(); failed != nil {
			fmt.Fprintln(os.Stderr, failed)
			os.Exit(1)
		}
	}()
	verifier, err := note.NewVerifier(os.Args[1])
	must(err)
	verifiers := note.VerifierList(verifier)
	for _, file := range os.Args[2:] {
		text, err := os.ReadFile(file)
		must(err)
		end := strings.Index(string(text), "\n\n")
		head, rest := string(text[:end]), string(text[end+2:])
		switch strings.SplitN(head, "\n", 2)[0] {
		case "c2sp.org/tlog-proof@v1":
			fmt.Println("entry", entry(head, rest, verifiers))
		case "ledgerline/state-proof@v1":
			fmt.Println("state", state(head, rest, verifiers))
		case "ledgerline/consistency-proof@v1":
			fmt.Println("consistency", consistency(head, rest, verifiers))
		default:
			fmt.Println("checkpoint", open(string(text), verifiers).size)
		}
	}
}
