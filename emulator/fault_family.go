package emulator

import "net/http"

// family is the manner in which a group of endpoints reports a failure (docs/protocol.md, 0 and 7).
type family int

const (
	familyAPI       family = iota // HTTP 200 and errno: /api/*, /share/*, /rest/2.0/xpan/*
	familyPCS                     // a real HTTP status and error_code: /rest/2.0/pcs/* and data links
	familyTeraboxDL               // a real HTTP status and a message
)

// familyOf returns the family of an endpoint of the route table.
func familyOf(endpoint string) family {
	switch endpoint {
	case "superfile2", "locateupload", "pcs-download", "dlink-get", "cdn-get", "membership", "streaming":
		return familyPCS
	}
	if len(endpoint) > 3 && endpoint[:3] == "dl-" {
		return familyTeraboxDL
	}
	return familyAPI
}

// status returns the HTTP status that travels with an error number.
func (fam family) status(code int) int {
	switch fam {
	case familyPCS:
		return pcsStatus(code)
	case familyTeraboxDL:
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// body returns the JSON object that reports an error number.
func (fam family) body(code int) map[string]any {
	switch fam {
	case familyPCS:
		return map[string]any{"error_code": code, "error_msg": errno(code).text(), "request_id": 1}
	case familyTeraboxDL:
		return map[string]any{"errno": code, "error": errno(code).text()}
	}
	return map[string]any{"errno": code, "errmsg": errno(code).text(), "newno": "", "request_id": 1}
}

// pcsStatus returns the HTTP status of a PCS error_code.
func pcsStatus(code int) int {
	switch {
	case code == 31079 || code == 31202 || code == 31066:
		return http.StatusNotFound
	case code >= 31041 && code <= 31046, code == 31064, code == 31211, code >= 31218 && code <= 31220,
		code == 31326, code == 31360, code == 31362, code == 31:
		return http.StatusForbidden
	case code >= 31001 && code <= 31003, code == 31021, code == 31022, code == 31025,
		code >= 31067 && code <= 31073, code >= 31081 && code <= 31083, code >= 31212 && code <= 31217:
		return http.StatusServiceUnavailable
	case code == 31209, code == 31298, code == 31080:
		return http.StatusInternalServerError
	case code == 31034:
		return http.StatusTooManyRequests
	}
	return http.StatusBadRequest
}
