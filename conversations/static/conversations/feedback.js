// Conveniences of the feedback review; all of it works without this script.

const boxes = () => [...document.querySelectorAll('.mq-choose')];

function count() {
  const label = document.getElementById('fq-chosen');
  const number = boxes().filter((box) => box.checked).length;
  if (label) label.textContent = number ? `${number} chosen` : 'Choose all';
}

document.getElementById('fq-all')?.addEventListener('change', (event) => {
  boxes().forEach((box) => { box.checked = event.target.checked; });
  count();
});
document.getElementById('mq-list')?.addEventListener('change', (event) => {
  if (event.target.matches('.mq-choose')) count();
});
document.getElementById('fq-filters')?.addEventListener('change', (event) => event.target.form.requestSubmit());
