"""Tools of MCP servers: `config` names the servers, `connections` reaches them, `tools` offers what they have."""
