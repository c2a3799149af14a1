//go:build ignore

// Opens connections to a gateway, asks for something once on each, says how many there are, and holds them until its standard
// input ends.
//
//	hold ADDRESS NUMBER
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
)

const request = "GET /buy/1k HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 85.214.132.117\r\n\r\n"

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: hold ADDRESS NUMBER")
	}
	number, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	held := make([]net.Conn, 0, number)
	for range number {
		conn, err := ask(os.Args[1])
		if err != nil {
			log.Fatalf("after %d connections: %v", len(held), err)
		}
		held = append(held, conn)
	}
	fmt.Println(len(held))
	_, _ = io.Copy(io.Discard, os.Stdin) // whoever started this ends it
	for _, conn := range held {
		_ = conn.Close() // nothing is under way
	}
}

// ask returns a connection on which one request was served.
func ask(address string) (net.Conn, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %s", res.Status)
	}
	return conn, nil
}
