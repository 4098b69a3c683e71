// What a form said that led to this page has not arrived: its draft is kept.
sessionStorage.removeItem("counterfoil.sent");
