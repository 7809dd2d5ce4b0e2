internal import Glibc
internal import SystemPackage

/// What the last failed call in this thread left behind.
func lastError() -> Errno { Errno(rawValue: errno) }

/// Runs a system call again while a signal interrupts it, and throws what errno says once it fails.
@discardableResult
func systemCall(_ call: () -> CInt) throws(Errno) -> CInt {
    while true {
        let result = call()
        if result >= 0 { return result }
        let code = lastError()
        if code != .interrupted { throw code }
    }
}
