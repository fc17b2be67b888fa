package httptrace

import "strings"

// words makes a set of lower-case words.
func words(list string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(list) {
		set[strings.ToLower(w)] = true
	}
	return set
}

var (
	// headers whose values are shown.
	headers = words(`Accept Accept-Encoding Accept-Language Accept-Ranges Cache-Control Connection Content-Encoding Content-Length Content-Range
		Content-Type Date Expires If-Range Last-Modified Location Origin Range Referer Retry-After Server Transfer-Encoding User-Agent Vary Via`)

	// params of queries and forms whose values are shown: those of docs/protocol.md that say what is asked for.
	params = words(`app_id web channel clienttype dp-logid dir num page order desc start limit showempty folder recursion target path size isdir rtype autoinit
		block_list local_mtime local_ctime content-md5 slice-md5 content-length content-crc32 method type partseq uploadsign async onnest opera filelist ondup
		cursor dlink origin root fs_ids fidlist checkfree checkexpire need_speed thumb target_path mode a by key days per_page status search from to`)

	// fields of JSON whose strings are shown, however long.
	fields = words(`server_filename filename file_name name path dir list title errmsg error error_msg show_msg msg message md5 content_md5 block_list category
		size fs_id cursor newname dest ondup opera state status plan region formatted_size resolution duration extension type code`)
)

// longest is how long a string under another name may be and still be shown: what opens an account is longer.
const longest = 11
