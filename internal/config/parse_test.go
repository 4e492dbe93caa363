package config

import (
	"fmt"
	"os"
	"testing"
)

func TestScratch(t *testing.T) {
	src, _ := os.ReadFile("testdata/contract.yml")
	c, err := Parse("tollhouse.yml", src)
	if err != nil {
		t.Fatal(err.(*Error).Long())
	}
	fmt.Printf("%+v\n", c)
	for _, n := range c.Notices {
		fmt.Println(n)
	}
	c, err = ForUpstream("http://localhost:3000")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%+v\n", c)
	fmt.Println(string(Schema()))
}
