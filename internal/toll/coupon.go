package toll

// Coupon takes something off a customer's bills, as it is given out now. One of
// Percent and Amount is set.
type Coupon struct {
	Name    string  // its name in the configuration: "launch"
	Title   string  // what people read: "Launch offer"
	Percent Decimal // more than 0, up to 100
	Amount  Price   // so much of each month; Every is empty
	Months  int64   // how many months it lasts; 0: for ever
}
