"""Engines: libraries that turn texts into token ids, each used only where its ids are those of the default one."""
