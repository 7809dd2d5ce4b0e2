internal import CCurl

/// Sets options of libcurl's handle, and reads information from it (curl_easy_setopt(3), curl_easy_getinfo(3)).
extension Transfer {
    func set(_ option: CURLoption, _ value: Int) throws(CurlError) {
        unsafe try check(postroom_curl_set_long(easy, option, value), "curl_easy_setopt")
    }

    func set(_ option: CURLoption, _ value: String?) throws(CurlError) {
        unsafe try check(postroom_curl_set_string(easy, option, value), "curl_easy_setopt")
    }

    @unsafe func set(_ option: CURLoption, _ value: UnsafeMutableRawPointer) throws(CurlError) {
        unsafe try check(postroom_curl_set_pointer(easy, option, value), "curl_easy_setopt")
    }

    @unsafe func set(
        _ option: CURLoption, _ lines: [[UInt8]], keptIn list: inout UnsafeMutablePointer<curl_slist>?
    ) throws(CurlError) {
        for line in lines {
            let text = line.map { CChar(bitPattern: $0) } + [0]
            guard let longer = unsafe curl_slist_append(list, text) else {
                throw CurlError(function: "curl_slist_append", code: 0, reason: "no memory")
            }
            unsafe list = longer
        }
        unsafe try check(postroom_curl_set_list(easy, option, list), "curl_easy_setopt")
    }

    func number(_ information: CURLINFO) -> Int {
        var value = 0
        _ = unsafe postroom_curl_get_long(easy, information, &value)
        return value
    }

    func offset(_ information: CURLINFO) -> Int {
        var value: curl_off_t = 0
        _ = unsafe postroom_curl_get_offset(easy, information, &value)
        return Int(value)
    }

    /// A text; `nil` also if it is empty.
    func text(_ information: CURLINFO) -> String? {
        var value: UnsafeMutablePointer<CChar>?
        _ = unsafe postroom_curl_get_string(easy, information, &value)
        guard let value = unsafe value, unsafe value.pointee != 0 else { return nil }
        return unsafe String(cString: value)
    }
}
