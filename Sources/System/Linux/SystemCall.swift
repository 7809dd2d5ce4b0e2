internal import Glibc
internal import SystemPackage

/// The errno of the last failed call in this thread.
func lastError() -> Errno { Errno(rawValue: errno) }

/// Runs a system call, again if a signal interrupts it, and throws errno if it fails.
@discardableResult
func systemCall(_ call: () -> CInt) throws(Errno) -> CInt {
    while true {
        let result = call()
        if result >= 0 { return result }
        let code = lastError()
        if code != .interrupted { throw code }
    }
}
