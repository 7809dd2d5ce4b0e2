internal import ArgumentParser
internal import Linux
internal import PostroomService
internal import SystemPackage

/// Runs another program in this process (execve(2)), which the system stops when its parent dies. nginx cannot ask the
/// system for that itself.
struct Child: ParsableCommand {
    static let configuration = CommandConfiguration(shouldDisplay: false)

    @Option var parent: Int32
    @Argument(parsing: .captureForPassthrough) var command: [String]

    func run() throws {
        Signal.send(Signal.terminate, whenParentDies: parent)
        guard let program = command.first else { throw Refusal("no program was given") }
        let error = become(FilePath(program), Array(command.dropFirst()))
        throw Refusal("cannot start \(program): \(error)")
    }
}

/// Reports that this process serves: to the supervisor if that has passed a descriptor, otherwise to the service manager, if
/// there is one.
func tellReady(_ descriptor: Int32?) {
    guard let descriptor else { return ServiceManager.tellReady() }
    let pipe = FileDescriptor(rawValue: descriptor)
    _ = try? pipe.writeAll([1])
    try? pipe.close()
}
