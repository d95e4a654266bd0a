// Answers every request with a greeting.
package main

import (
	"fmt"
	"log"
	"net/http"

	"example.com/hello/greeting"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, greeting.Text()) })
	log.Println("listening on :8080")
	log.Fatal(http.ListenAndServe(":8080", nil))
}
