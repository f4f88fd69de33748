/* The copy button of a console block copies its commands, without prompts and output. */
document.addEventListener("DOMContentLoaded", () => {
  const commandsOf = (text) => {
    const commands = [];
    let continues = false;
    for (const line of text.split("\n")) {
      const isCommand = line.startsWith("$ ");
      if (isCommand || (continues && line.startsWith("> "))) {
        commands.push(line.slice(2));
        continues = line.endsWith("\\");
      } else {
        continues = false;
      }
    }
    return commands.join("\n");
  };
  for (const code of document.querySelectorAll(".language-console code")) {
    const commands = commandsOf(code.textContent);
    if (commands) {
      code.setAttribute("data-copy", commands);
    }
  }
});
