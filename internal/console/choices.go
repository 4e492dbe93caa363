package console

import (
	"github.com/a-h/templ"

	"github.com/tollhouse/tollhouse/internal/console/piece"
)

func lifeOptions(v *visit) []piece.Option {
	out := make([]piece.Option, 0, len(lives))
	for _, l := range lives {
		out = append(out, piece.Option{Value: l.id, Label: v.T("life." + l.id)})
	}
	return out
}

func overlapChoice(v *visit) templ.Component {
	c := piece.Choice{ID: "overlap", Name: "overlap", Label: v.T("roll.overlap"), Hint: v.T("roll.overlap.hint"), Value: "24h"}
	for _, o := range overlaps {
		c.Options = append(c.Options, piece.Option{Value: o.id, Label: v.T("overlap." + o.id)})
	}
	return c.View()
}

// faultItems lists what is wrong with a form, in the order of its fields.
func faultItems(errs map[string]string, order ...string) []piece.Item {
	var out []piece.Item
	for _, field := range order {
		if text := errs[field]; text != "" {
			out = append(out, piece.Item{Text: text, Href: "#" + field})
		}
	}
	return out
}
