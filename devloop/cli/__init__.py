"""The commands: parse, call one function, return an exit code. The only room that prints, exits and wires."""
