internal import CCurl
internal import SystemPackage

/// A failure of a libcurl function that is not the outcome of one request.
package struct CurlError: Error, Equatable, Sendable, CustomStringConvertible {
    package let function: String
    /// A CURLcode, CURLMcode or CURLSHcode, depending on the function; errno for a system call.
    package let code: CInt
    package let reason: String

    init(function: String, code: CInt, reason: String) {
        self.function = function
        self.code = code
        self.reason = reason
    }

    package var description: String { "\(function): \(reason)" }

    init(_ error: Errno, _ function: String) {
        self.init(function: function, code: error.rawValue, reason: error.description)
    }

    /// A request that cannot be sent as it was given.
    static func unusable(_ reason: String) -> CurlError {
        CurlError(function: "curl_easy_setopt", code: CInt(CURLE_BAD_FUNCTION_ARGUMENT.rawValue), reason: reason)
    }
}

func check(_ code: CURLcode, _ function: String) throws(CurlError) {
    guard code != CURLE_OK else { return }
    throw CurlError(
        function: function, code: CInt(code.rawValue), reason: unsafe String(cString: curl_easy_strerror(code)))
}

func check(_ code: CURLMcode, _ function: String) throws(CurlError) {
    guard code != CURLM_OK else { return }
    throw CurlError(function: function, code: code.rawValue, reason: unsafe String(cString: curl_multi_strerror(code)))
}

func check(_ code: CURLSHcode, _ function: String) throws(CurlError) {
    guard code != CURLSHE_OK else { return }
    throw CurlError(
        function: function, code: CInt(code.rawValue), reason: unsafe String(cString: curl_share_strerror(code)))
}
