function answerBox(prompt) {
  const box = create("div");
  box.append(create("p", "Right answer:", "soft"), create("pre", prompt.answer, "plain"));
  return box;
}
