package storetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// TestStore holds an engine to what the methods of store.Store promise, apart
// from meter.Sink and meter.Questions, whose suite is metertest's.
func TestStore(t *testing.T, open Opener) {
	for _, part := range []struct {
		name string
		test func(t *testing.T, s *store.Store)
	}{
		{"KeepsACustomerAsItWasGiven", keepsACustomerAsItWasGiven},
		{"RaisesTheVersionWithEachChange", raisesTheVersionWithEachChange},
		{"LetsOneOfManyConcurrentChangesWin", letsOneOfManyConcurrentChangesWin},
		{"TellsAMissingCustomerFromATakenID", tellsAMissingCustomerFromATakenID},
		{"RefusesACustomerThatBreaksTheRules", refusesACustomerThatBreaksTheRules},
		{"FindsCustomersByAnyPartOfNameOrID", findsCustomersByAnyPartOfNameOrID},
		{"NarrowsCustomersByStatusAndPlan", narrowsCustomersByStatusAndPlan},
		{"PagesCustomersInEveryOrder", pagesCustomersInEveryOrder},
		{"KeepsPagesStableUnderInserts", keepsPagesStableUnderInserts},
		{"RefusesAQuestionThatIsNone", refusesAQuestionThatIsNone},
		{"ListsCustomersLikeTheModel", listsCustomersLikeTheModel},
		{"VisitsEachCustomerOnce", visitsEachCustomerOnce},
		{"LetsAVisitorUseTheStore", letsAVisitorUseTheStore},

		{"KeepsAKeyAsItWasGiven", keepsAKeyAsItWasGiven},
		{"RefusesAKeyThatIsThereOrBelongsToNobody", refusesAKeyThatIsThereOrBelongsToNobody},
		{"ListsTheKeysOfACustomerNewestFirst", listsTheKeysOfACustomerNewestFirst},
		{"ChangesAKeyButNotItsLastUse", changesAKeyButNotItsLastUse},
		{"ReplacesAKeyWhollyOrNotAtAll", replacesAKeyWhollyOrNotAtAll},
		{"VisitsEachKeyOnce", visitsEachKeyOnce},

		{"KeepsPeopleAsTheyWereGiven", keepsPeopleAsTheyWereGiven},
		{"KeepsAnAddressUniqueAmongAllPeople", keepsAnAddressUniqueAmongAllPeople},
		{"GivesAnAddressToOneOfManyWhoTakeItAtOnce", givesAnAddressToOneOfManyWhoTakeItAtOnce},
		{"TellsMembersFromOperators", tellsMembersFromOperators},
		{"SetsPasswords", setsPasswords},

		{"KeepsASessionAsItWasGiven", keepsASessionAsItWasGiven},
		{"OnlyRaisesWhenASessionWasSeen", onlyRaisesWhenASessionWasSeen},
		{"KeepsTheFirstRevocation", keepsTheFirstRevocation},
		{"ListsTheSessionsOfAPerson", listsTheSessionsOfAPerson},

		{"KeepsAMailAsItWasGivenUntilItWasSent", keepsAMailAsItWasGivenUntilItWasSent},
		{"WritesAllMailsOrNone", writesAllMailsOrNone},
		{"GivesAMailToOneOfManySenders", givesAMailToOneOfManySenders},
		{"GivesAMailAgainWhenTheLeaseIsOver", givesAMailAgainWhenTheLeaseIsOver},
		{"PutsAMailOffAndGivesItUp", putsAMailOffAndGivesItUp},
		{"ListsMailsNewestFirst", listsMailsNewestFirst},
		{"ForgetsMailThatIsDone", forgetsMailThatIsDone},
		{"KeepsAnEntryAsItWasGiven", keepsAnEntryAsItWasGiven},
		{"RecordsAChangeAndItsEntryTogether", recordsAChangeAndItsEntryTogether},
		{"KeepsOneChainUnderManyWriters", keepsOneChainUnderManyWriters},
		{"PagesAndNarrowsTheAuditLog", pagesAndNarrowsTheAuditLog},
		{"HoldsTheAuditLogToAnchors", holdsTheAuditLogToAnchors},

		{"KeepsAnApprovalAsItWasGiven", keepsAnApprovalAsItWasGiven},
		{"PagesAndNarrowsApprovals", pagesAndNarrowsApprovals},
		{"DecidesAnApprovalOnceWithAllThatFollows", decidesAnApprovalOnceWithAllThatFollows},

		{"DropsWhatEndedLongAgo", dropsWhatEndedLongAgo},
		{"KeepsEveryFieldOfAPlan", keepsEveryFieldOfAPlan},
		{"NeverChangesAPlanVersion", neverChangesAPlanVersion},

		{"KeepsAnInvoiceAsItWasCut", keepsAnInvoiceAsItWasCut},
		{"CorrectsUsageThatCameLate", correctsUsageThatCameLate},
		{"NumbersInvoicesWithoutGapsWhateverHappensAtOnce", numbersInvoicesWithoutGapsWhateverHappensAtOnce},
		{"LeavesNoNumberOut", leavesNoNumberOut},
		{"KeepsTheHistoryOfASubscription", keepsTheHistoryOfASubscription},
		{"MovesInvoicesAndCredits", movesInvoicesAndCredits},
		{"KeepsTheInvoicesOfACustomerThatLeft", keepsTheInvoicesOfACustomerThatLeft},

		{"RaisesWhenAKeyWasLastUsed", raisesWhenAKeyWasLastUsed},
		{"CountsTextThatCannotBeKept", countsTextThatCannotBeKept},
		{"FindsEventsByRequestID", findsEventsByRequestID},
		{"DrainsManyLanesAtOnce", drainsManyLanesAtOnce},
		{"TellsWhatWasCountedAtOneMoment", tellsWhatWasCountedAtOneMoment},
		{"RefusesAnEventItCannotAddUp", refusesAnEventItCannotAddUp},
		{"GoesOnBehindAnAmountThatIsTooLarge", goesOnBehindAnAmountThatIsTooLarge},
		{"DropsEventsThatCameTooLongAgo", dropsEventsThatCameTooLongAgo},
		{"KeepsAddressesNoLongerThanTheirPeriods", keepsAddressesNoLongerThanTheirPeriods},
		{"DropsSumsThatAreTooOld", dropsSumsThatAreTooOld},
		{"RanksTheCustomersOfAMonth", ranksTheCustomersOfAMonth},
		{"KeepsAnIDUniqueWheneverItCame", keepsAnIDUniqueWheneverItCame},
		{"CountsAnEventFromOutsideOnceForEver", countsAnEventFromOutsideOnceForEver},
		{"CountsTheRequestsThatAnEventFromOutsideNames", countsTheRequestsThatAnEventFromOutsideNames},
		{"CountsABatchOnceThatCameManyTimesAtOnce", countsABatchOnceThatCameManyTimesAtOnce},
		{"StoresNothingOfABatchThatCannotBeStored", storesNothingOfABatchThatCannotBeStored},
		{"RefusesUnstorableText", refusesUnstorableText},
		{"KeepsNothingUnderAContextThatIsOver", keepsNothingUnderAContextThatIsOver},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.test(t, open(t))
		})
	}
}

// noon is when the examples of the suite happen; databases keep microseconds.
var noon = time.Date(2026, 11, 16, 12, 0, 0, 123456000, time.UTC)

var background = context.Background()

func customer(n int) toll.Customer {
	return toll.Customer{
		ID: fmt.Sprintf("cus_%04d", n), Name: fmt.Sprintf("Customer %04d", n), Status: toll.CustomerActive,
		Subscription: toll.Subscription{Plan: "free", PlanVersion: "free@000000000001", Addons: []string{"multilingual", "models"}, Since: noon},
		CreatedAt:    noon.Add(time.Duration(n) * time.Second), Version: 1,
	}
}

func key(n int, owner string) toll.Key {
	return toll.Key{
		ID: fmt.Sprintf("key_%04d", n), CustomerID: owner, Name: "ci", Mode: toll.Live, Hash: sha256.Sum256(fmt.Append(nil, n)), Hint: "x7Yz",
		Services: []string{"ner", "ocr"}, CreatedAt: noon.Add(time.Duration(n) * time.Second), Version: 1,
	}
}

func member(n int, owner string) toll.Member {
	return toll.Member{
		ID: fmt.Sprintf("mem_%04d", n), CustomerID: owner, Email: fmt.Sprintf("member%d@example.com", n), Name: "Ada",
		Role: toll.MemberOwner, PasswordHash: "$argon2id$v=19$m=65536,t=1,p=1$c2FsdA$aGFzaA", Language: "fr", CreatedAt: noon.Add(time.Duration(n) * time.Second),
	}
}

func operator(n int) toll.Operator {
	return toll.Operator{
		ID: fmt.Sprintf("op_%04d", n), Email: fmt.Sprintf("operator%d@example.com", n), Name: "Grace",
		Role: toll.OperatorAdmin, PasswordHash: "$argon2id$v=19$m=65536,t=1,p=1$c2FsdA$aGFzaA", Language: "es", CreatedAt: noon.Add(time.Duration(n) * time.Second),
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantCode holds an error to its code, and to a message for people.
func wantCode(t testing.TB, what string, err error, want toll.Code) {
	t.Helper()
	if got := toll.CodeOf(err); got != want {
		t.Errorf("%s: got code %q (%v), want %q", what, got, err, want)
	}
}

func wantSame[T any](t testing.TB, what string, got T, err error, want T) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}
