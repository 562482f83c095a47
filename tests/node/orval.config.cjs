// Makes a client of DOCUMENT in the folder CLIENT.
module.exports = {
  recruitment: {
    input: process.env.DOCUMENT,
    output: { target: `${process.env.CLIENT}/client.ts`, client: "fetch", mode: "split" },
  },
};
