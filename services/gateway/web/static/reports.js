// Days begin at the reader's own midnight, once the page knows where they are.
const offset = -new Date().getTimezoneOffset();
const address = new URL(location.href);

if (document.querySelector("[data-reports]") && offset && !address.searchParams.has("utc_offset")) {
  address.searchParams.set("utc_offset", offset);
  location.replace(address);
}
