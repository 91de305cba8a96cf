import SandboxFiles
import SandboxShim

// The same program twice: beside a sandbox its supervisor, and inside, sealed, what works on its files.
if CommandLine.arguments.first == "cordon-files" { FileAgent.run() }
Shim.run(argumentCount: CommandLine.argc, arguments: CommandLine.unsafeArgv)
