package storetest

import (
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// full sets every field below v to something of its own, so that a field that
// is not kept is noticed, also one that is added later.
func full(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			full(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			full(v.Index(i), n)
		}
	case reflect.String:
		v.SetString("t" + strconv.Itoa(*n) + " <ž&\">")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n)<<40 + 1)
	case reflect.Uint8:
		v.SetUint(uint64(*n%3 + 1))
	default:
		panic("a plan holds a " + v.Kind().String())
	}
}

func keepsEveryFieldOfAPlan(t *testing.T, s *store.Store) {
	v := toll.PlanVersion{ID: "full@000000000001", LoadedAt: noon}
	full(reflect.ValueOf(&v.Plan).Elem(), new(int))
	bare := toll.PlanVersion{ID: "bare@000000000001", Plan: toll.Plan{Name: "bare"}, LoadedAt: noon.Add(time.Second)}
	for _, want := range []toll.PlanVersion{v, bare} {
		must(t, s.SavePlanVersion(background, want, tolltest.Entry()))
		got, err := s.PlanVersion(background, want.ID)
		wantSame(t, want.ID, got, err, want)
	}
	all, err := s.PlanVersions(background)
	wantSame(t, "all", all, err, []toll.PlanVersion{v, bare})
	_, err = s.PlanVersion(background, "none@000000000001")
	wantCode(t, "a missing version", err, toll.NotFound)
}

func neverChangesAPlanVersion(t *testing.T, s *store.Store) {
	first := toll.PlanVersion{ID: "free@000000000001", Plan: toll.Plan{Name: "free", Title: "Free"}, LoadedAt: noon}
	must(t, s.SavePlanVersion(background, first, tolltest.Entry()))
	again := first
	again.Plan.Title, again.LoadedAt = "Not so free", noon.AddDate(1, 0, 0)
	must(t, s.SavePlanVersion(background, again, tolltest.Entry()))
	got, err := s.PlanVersion(background, first.ID)
	wantSame(t, "saved twice", got, err, first)
}
