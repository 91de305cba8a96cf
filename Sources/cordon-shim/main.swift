import SandboxShim

Shim.run(argumentCount: CommandLine.argc, arguments: CommandLine.unsafeArgv)
