internal import CLinux

/// Raises the limit of open descriptors, for this process and those it starts, to the hard limit, and returns it.
/// - Parameter wanted: if the hard limit is lower, it is raised to this, which only root may do.
@discardableResult
package func raiseDescriptorLimit(wanted: Int = 0) -> Int {
    var limit = rlimit()
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    guard unsafe getrlimit(resource, &limit) == 0 else { return 1024 }
    if limit.rlim_max < rlim_t(wanted) {
        var higher = rlimit(rlim_cur: rlim_t(wanted), rlim_max: rlim_t(wanted))
        if unsafe setrlimit(resource, &higher) == 0 { return wanted }
    }
    limit.rlim_cur = limit.rlim_max
    _ = unsafe setrlimit(resource, &limit)
    return Int(clamping: limit.rlim_cur)
}
