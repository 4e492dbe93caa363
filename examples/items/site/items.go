package site

import (
	"context"
	"slices"
	"strings"
)

// item is one thing on a shelf. There is no database: what is shown here is
// what happens between the browser and the program.
type item struct {
	ID                string
	Name, Shelf, Kind string
}

var stock = []item{
	{"1", "Assam", "Tea", "black"}, {"2", "Darjeeling", "Tea", "black"}, {"3", "Sencha", "Tea", "green"},
	{"4", "Espresso", "Coffee", "roasted"}, {"5", "Kenya AA", "Coffee", "green"}, {"6", "Oat biscuit", "Biscuits", "plain"},
	{"7", "Ginger snap", "Biscuits", "spiced"}, {"8", "Speculoos", "Biscuits", "spiced"},
}

func find(id string) (item, bool) {
	at := slices.IndexFunc(stock, func(i item) bool { return i.ID == id })
	if at < 0 {
		return item{}, false
	}
	return stock[at], true
}

// search would ask a database, which stops when ctx ends: when the person types
// on, htmx drops the request.
func search(ctx context.Context, q string) ([]item, error) {
	var found []item
	for _, i := range stock {
		if strings.Contains(strings.ToLower(i.Name), strings.ToLower(q)) {
			found = append(found, i)
		}
	}
	return found, ctx.Err()
}

func shelves() []string {
	var all []string
	for _, i := range stock {
		if !slices.Contains(all, i.Shelf) {
			all = append(all, i.Shelf)
		}
	}
	return all
}

func kinds(shelf string) []string {
	var all []string
	for _, i := range stock {
		if i.Shelf == shelf && !slices.Contains(all, i.Kind) {
			all = append(all, i.Kind)
		}
	}
	return all
}
