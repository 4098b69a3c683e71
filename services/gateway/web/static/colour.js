// What is done to a site's colour so that it can be seen: 3:1 against what it stands on, 4.5:1 for the words on it.
const channels = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

function luminance(colour) {
  const [red, green, blue] = channels(colour).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Return how much two colours differ, from 1 to 21. */
export function contrast(one, other) {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

/** Return the colour, darker or lighter where it could not be told from what it stands on. */
export function visible(colour, ground) {
  const far = luminance(ground) > 0.18 ? 0 : 255;
  let nearest = colour;
  for (let share = 0; share <= 100 && contrast(nearest, ground) < 3; share += 4) {
    const mixed = channels(colour).map((value) => Math.round(value + ((far - value) * share) / 100));
    nearest = "#" + mixed.map((value) => value.toString(16).padStart(2, "0")).join("");
  }
  return nearest;
}

/** Return the colour of words on it. */
export const inkOn = (colour) => (contrast("#ffffff", colour) >= 4.5 ? "#ffffff" : "#000000");

/** What the widget stands on by day and by night. */
export const grounds = { light: "#ffffff", dark: "#171d20" };
