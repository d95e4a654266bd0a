"""The rules of the configuration that need nothing but the configuration: one pure function a rule, one module a part of the file."""
