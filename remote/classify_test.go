package remote

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestClassifyCatalogue walks the whole table of docs/protocol.md#errors.
func TestClassifyCatalogue(t *testing.T) {
	table := map[error][]int{
		ErrLogin:       {-1, -6, 31, 104, 9019, 31041, 31042, 31043, 31044, 31045, 31046, 400210, 400310},
		ErrBusy:        {-2, 111, 10013},
		ErrInvalid:     {-3, -33, 2, 3, 5, 31023, 31075, 31208, 31299},
		ErrName:        {-7, 4, 31062},
		ErrExist:       {-8, -30, 31061},
		ErrNotExist:    {-9, -11, 105, 31063, 31066, 31202},
		ErrNoSpace:     {-10, -32, 121, 31065, 31112, 31116, 31218, 36009},
		ErrPermission:  {-12, -13, -14, -21, -22, 7, 8, 11, 102, 103, 142, 211, 413, 31211, 31401},
		ErrVerify:      {-19, -20, -62, 132, 400141, 400810, 450016, 460030, 4000020, 4000023},
		ErrServer:      {-4, -5, -23, 1, 9, 15, 112, 141, 407, 501, 600, 610, 619, 9001, 31001, 31021, 31080, 31081, 31083, 31209, 31217, 31298, 31352, 31355},
		ErrPartMissing: {10, 31363},
		ErrTooLarge:    {58, 31364, 31365},
		ErrRegion:      {9000},
		ErrThrottled:   {31034, 31219, 31220, 36013, 36022, 424629},
		ErrUploadGone:  {31190},
		ErrLinkExpired: {31064, 31326, 31360, 31362},
		ErrUnsupported: {404, 31079},
	}
	for want, numbers := range table {
		for _, n := range numbers {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				kind, known := classify(n)
				assert.True(t, known)
				assert.ErrorIs(t, kind, want)
			})
		}
	}
	for _, n := range []int{77, -99, 31999, 5000000} {
		kind, known := classify(n)
		assert.False(t, known, n)
		assert.ErrorIs(t, kind, ErrProtocol)
	}
}

func TestErrnoTableNamesEachNumberOnce(t *testing.T) {
	total := 0
	for _, numbers := range errnoKinds {
		total += len(numbers)
	}
	assert.Len(t, kindOf, total)
}

func TestClassifyStatus(t *testing.T) {
	for code, want := range map[int]error{
		400: ErrProtocol, 401: ErrPermission, 403: ErrPermission, 404: ErrProtocol, 405: ErrProtocol, 408: ErrServer,
		413: ErrTooLarge, 429: ErrThrottled, 500: ErrServer, 502: ErrServer, 503: ErrServer, 504: ErrServer, 509: ErrThrottled,
	} {
		assert.ErrorIs(t, classifyStatus(code), want, code)
	}
}
