package edge

import "time"

func init() { formTimeout, lingerTimeout = 100*time.Millisecond, 100*time.Millisecond }
