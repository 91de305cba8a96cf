import ArgumentParser
import CordonAPI
import CordonClient
import Foundation

/// Says on stderr why a command can't go on, and ends with 125, which no command of a sandbox's is taken for.
func fail(_ error: any Error) -> ExitCode {
    say("\(error)")
    return ExitCode(125)
}

/// A line on stderr that isn't the command's.
func say(_ text: String) {
    FileHandle.standardError.write(Data("cordon: \(text)\(LocalTerminal.shared.isRaw ? "\r" : "")\n".utf8))
}

/// Does `work`, and ends this process with what its errors mean to the shell.
func reporting<Value>(_ work: () async throws -> Value) async throws -> Value {
    do { return try await work() } catch { throw reported(error) }
}

private func reported(_ error: any Error) -> any Error {
    switch error {
    case is ClientError, is LocalFailure, is LocalFault, is CopyRefused: fail(error)
    // As a program ends that writes where nobody reads: 128 and SIGPIPE.
    case is OutputClosed: ExitCode(141)
    default: error
    }
}

/// Ends this process as the command ended.
func leave(with status: ExitStatus) throws {
    if let message = status.message { say(message) }
    throw ExitCode(status.code)
}

/// One JSON document on stdout: on a line, or, for people, on several.
func printJSON(_ value: some Encodable, forPeople: Bool = false) throws {
    print(String(decoding: try JSONText.encode(value, forPeople: forPeople), as: UTF8.self))
}
